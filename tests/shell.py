"""How to start a process whose own memory is to be measured."""

# Linux counts the memory of the process that starts another as that one's first, and pytest's may hold TensorFlow;
# a shell in between holds next to nothing. Its "exit" keeps it from becoming the program itself.
BY_A_SHELL = ("/bin/sh", "-c", '"$@"; exit $?', "sh")
