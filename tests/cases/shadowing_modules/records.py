raise RuntimeError('records is the function'"'"'s own, and was not asked for')
