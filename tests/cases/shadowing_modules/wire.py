raise RuntimeError('wire is the function'"'"'s own, and was not asked for')
