"""The API for Python programs, behind ``import envkit``.

It runs in the user's process, so it imports the standard library only, loads no native code, prints nothing and leaves
no process behind. It reads the volume itself. For everything else it runs the command line in a child process and reads
its JSON documents, which are the only contract between the two.
"""
