raise RuntimeError('primitives is the function'"'"'s own, and was not asked for')
