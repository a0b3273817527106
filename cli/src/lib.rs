//! Arguments in, one library call, report and exit status out.
