everytime && version=$(cat /etc/debian_version)
everytime && echo "$version"
