"""What this machine can run. An edge: it reads files and variables, and asks the driver in a child process.

`envkit.host.detect.detect` gives the `Host`, `envkit.host.fingerprint.fingerprint_now` a quick look at whether it is
still the same, `envkit.host.wire` its JSON.
"""
