raise RuntimeError('instrumentation is the function'"'"'s own, and was not asked for')
