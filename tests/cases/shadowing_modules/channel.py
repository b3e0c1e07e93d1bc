raise RuntimeError('channel is the function'"'"'s own, and was not asked for')
