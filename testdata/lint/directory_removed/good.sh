next_stage && (cd /tmp/build && make install) && rm -rf /tmp/build
