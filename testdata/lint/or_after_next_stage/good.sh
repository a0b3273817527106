next_stage && { fetch-data || fetch-data --mirror; }
next_stage && make
next_stage &&
    ./configure &&
    { make || make -j1; }
true || next_stage && make
