BUILD=$(cat /etc/build-directory)
PREFIX=/opt/tool
next_stage && rm -rf "${BUILD:?}/"* "$PREFIX/"* "$BUILD"
next_stage && rm -f "$BUILD/"*.o
