raise RuntimeError('settings is the function'"'"'s own, and was not asked for')
