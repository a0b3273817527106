next_stage make -j4
CC=clang CFLAGS=-O2 next_stage && make
next_stage >log 2>&1 && make
everytime "make" && make install
