next_stage && pip install git+https://example.org/tool.git
