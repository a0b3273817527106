next_stage && { server & server_id=$!; load-data && kill "$server_id"; }
