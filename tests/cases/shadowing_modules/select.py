raise RuntimeError('select is the function'"'"'s own, and was not asked for')
