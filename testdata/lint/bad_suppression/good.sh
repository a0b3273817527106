# ce-lint: ignore[CE060] what the first command says does not matter
next_stage && { make check; make install; }
next_stage && cp $COMPDIR/a /b # ce-lint: ignore[unquoted-expansion] the path has no blanks
