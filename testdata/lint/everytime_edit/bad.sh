everytime && sed -i '1i # made by the setup' /etc/tool.conf
