next_stage && pip install git+https://example.org/tool.git@3f786850e387550fdab836ed7e6dc881de23001b
