everytime && { grep -q '# made by the setup' /etc/tool.conf || sed -i '1i # made by the setup' /etc/tool.conf; }
