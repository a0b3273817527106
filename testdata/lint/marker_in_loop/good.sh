next_stage && install make gcc
install_one() { install "$1"; }
next_stage && install_one make
for name in a b; do everytime && refresh "$name"; done
