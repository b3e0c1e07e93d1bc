raise RuntimeError('encoder is the function'"'"'s own, and was not asked for')
