raise RuntimeError('base64 is the function'"'"'s own, and was not asked for')
