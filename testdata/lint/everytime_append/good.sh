everytime && { grep -qxF 'set -o vi' /etc/tool.conf || echo 'set -o vi' >> /etc/tool.conf; }
