[ -d /opt/tool ] || next_stage && install-tool
if grep -q debian /etc/os-release; then
    next_stage && make -y tool
fi
for package in /packages/*.deb; do next_stage && dpkg -i "$package"; done
while read -r name; do next_stage && install-tool "$name"; done <names
machine=$(uname -m)
case $machine in
x86_64) next_stage && install-tool ;;
esac
