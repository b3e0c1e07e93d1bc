raise RuntimeError('struct is the function'"'"'s own, and was not asked for')
