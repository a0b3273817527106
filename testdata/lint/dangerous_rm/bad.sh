BUILD=$(cat /etc/build-directory)
next_stage && rm -rf "$BUILD/"* "$BUILD"/usr
next_stage && rm -r -- "${BUILD}/"
next_stage && rm -rf /
