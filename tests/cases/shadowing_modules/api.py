raise RuntimeError('api is the function'"'"'s own, and was not asked for')
