for package in make gcc; do next_stage && install "$package"; done
install_one() { next_stage && install "$1"; }
install_one make
install_one gcc
