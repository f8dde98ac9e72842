"""Facts of this machine, from files, variables, and the driver, which is asked in a child process.

`envkit.host.detect.detect_host` returns the `Host`, `envkit.host.fingerprint.fingerprint_now` checks quickly whether it
is still the same, and `envkit.host.wire` reads and writes its JSON.
"""
