if next_stage; then make; fi
if [ -d /src ]; then :; elif everytime && make; then make install; fi
while next_stage; do make; done
! next_stage && make
