next_stage && git -C /opt/tool checkout master
