everytime && rsync -a --exclude=/out "$COMPDIR/" /build/ && make -C /build
