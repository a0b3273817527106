cat <<"a
b"
x
a
b
cat <<`c` <<"`d`"
