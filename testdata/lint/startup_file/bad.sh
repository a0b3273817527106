next_stage && echo 'export PATH=/opt/tool/bin:$PATH' >> /root/.bashrc
