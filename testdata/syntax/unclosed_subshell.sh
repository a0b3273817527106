(cd src && make
