next_stage && { [ -d /opt/tool ] || install-tool; }
with_tool=yes
if [ "$with_tool" = yes ]; then
    next_stage && install-tool
fi
[ -d /opt/tool ] && everytime && update-tool
next_stage && for package in /packages/*.deb; do dpkg -i "$package" || exit; done
