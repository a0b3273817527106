{ }

( )

if a; then fi

if ; then a; fi

if a; then b; else fi

while a; do done

while do a; done

x=$(a &&)
