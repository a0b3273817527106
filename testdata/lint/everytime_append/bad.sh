everytime && echo 'set -o vi' >> /etc/tool.conf
