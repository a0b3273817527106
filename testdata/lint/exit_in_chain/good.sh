next_stage && { make || exit 1; make install; }
next_stage && (cd /src && [ -e Makefile ] || exit 0; make)
prepare() { [ -e /done ] && return; make; }
next_stage && prepare
