# ce-lint: ignore[CE060] the tests may fail
next_stage && make
next_stage && cp $COMPDIR/a /b # ce-lint: ignore[CE081]
# ce-lint: ignore[CE999] no such rule
next_stage && make check
# ce-lint: ignre[CE060] misspelt
next_stage && make install
