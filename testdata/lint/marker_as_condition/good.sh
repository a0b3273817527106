next_stage && { make; }
everytime && if make; then make install; fi
next_stage && ! test -d /src
if [ -d /src ]; then everytime && make; fi
