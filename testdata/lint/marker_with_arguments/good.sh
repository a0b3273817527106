next_stage && make -j4
next_stage && CC=clang CFLAGS=-O2 make
next_stage && make >log 2>&1
everytime && "make" && make install
