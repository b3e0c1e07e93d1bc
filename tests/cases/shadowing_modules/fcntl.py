raise RuntimeError('fcntl is the function'"'"'s own, and was not asked for')
