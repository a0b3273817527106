everytime && rsync -r --delete "$COMPDIR/" /build/ && make -C /build
