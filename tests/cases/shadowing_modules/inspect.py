raise RuntimeError('inspect is the function'"'"'s own, and was not asked for')
