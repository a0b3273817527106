//! The shell functions that carry out markers where they cannot be split from what is around them.
//!
//! A pipeline, a redirected group or a loop that reads a file goes to the shell as a whole, and the functions below do
//! there what [`crate::execute`] does here: count, skip, judge each chain where its list ends, and end everything when
//! one fails.

use crate::{dispatch::request::Count, language::quoting::quote};

/// The shell functions that carry out markers there, for a shell that can set `IFS` or not.
///
/// `__ce_c` is the stack of open chains of this shell, newest first: `|` where a judged list begins, `N:I` for stage N
/// of chain I, `e:I` for an everytime chain. The files whose names begin with `files` are what subshells share: `hits`,
/// `done` (how many stages are applied), `open` (the stack of whoever ran last) and `failed` (status, chain and stage).
pub(crate) fn functions(files: &str, count: &Count, inside_stage: bool, sets_ifs: bool) -> Vec<u8> {
    let files = String::from_utf8_lossy(&quote(files.as_bytes())).into_owned();
    let Count { hits, applied } = count;
    let outer = u8::from(inside_stage);
    FUNCTIONS
        .replace("IFS= ", if sets_ifs { "IFS= " } else { "" })
        .replace("@F@", &files)
        .replace("@HITS@", &hits.to_string())
        .replace("@APPLIED@", &applied.to_string())
        .replace("@OUTER@", &outer.to_string())
        .into_bytes()
}

const FUNCTIONS: &str = r#"( \command umask 077; \command echo @HITS@ >@F@.hits; \command echo @APPLIED@ >@F@.done; : >@F@.open; : >@F@.failed )
__ce_open=@F@.open; __ce_c=
__ce_count() {
case $1 in s)
IFS= \command read -r __ce_n <@F@.hits; __ce_n=$((__ce_n+1)); \command echo "$__ce_n" >|@F@.hits; IFS= \command read -r __ce_q <@F@.done
if \command [ "$__ce_n" -le @APPLIED@ ]; then return 1; fi
__ce_c="$__ce_n:$2 $__ce_c"; __ce_record "$__ce_n" started 0 "$2";;
*) __ce_c="e:$2 $__ce_c";; esac
\command echo "$__ce_c" >|"$__ce_open"
}
__ce_judge() {
__ce_e=${__ce_c%%" "*}; __ce_c=${__ce_c#*" "}
case $__ce_e:$1 in e:*:0) ;;
*:0) if __ce_record "${__ce_e%%:*}" applied 0 "${__ce_e#*:}"; then :; else \command echo "1 ${__ce_e#*:} ${__ce_e%%:*}" >|@F@.failed; \exit 1; fi
case @OUTER@$__ce_c in 1*|*[0-9]:*) ;; *) IFS= \command read -r __ce_q <@F@.hits; \command echo "$__ce_q" >|@F@.done;; esac;;
*) case $__ce_e in e:*) ;; *) __ce_record "${__ce_e%%:*}" failed "$1" "${__ce_e#*:}";; esac
\command echo "$1 ${__ce_e#*:} ${__ce_e%%:*}" >|@F@.failed
if \command [ -z "${__ce_g-}" ]; then \exit "$1"; fi;; esac
}
__ce_pop() {
while :; do case $__ce_c in "| "*) __ce_c=${__ce_c#"| "}; return;; "") return;; esac; __ce_judge "$1"; done
}
__ce_in_enter() { \set -- "$?"; __ce_c="| $__ce_c"; return "$1"; }
__ce_in_leave() { \set -- "$?"; __ce_look "$1"; __ce_pop "$1"; \command echo "$__ce_c" >|"$__ce_open"; return "$1"; }
__ce_in_check() { \set -- "$?"; __ce_look "$1"; return "$1"; }
__ce_in_apart() { __ce_open=@F@.open$1; ( \command umask 077; \command echo "$__ce_c" >"$__ce_open" ); }
__ce_after() { __ce_check && for __ce_ in; do :; done; "$@"; }
__ce_look() {
__ce_q=; if IFS= \command read -r __ce_q <@F@.failed; then \exit "${__ce_q%%" "*}"; fi
IFS= \command read -r __ce_q <"$__ce_open" || :
case $__ce_q in "$__ce_c") return;; esac
case $__ce_q in *[!" "]*"$__ce_c") ;; *) return;; esac
__ce_h=$__ce_c; __ce_c=$__ce_q
while \command [ "$__ce_c" != "$__ce_h" ]; do case $__ce_c in "| "*) __ce_c=${__ce_c#"| "};; "") break;; *) __ce_judge "$1";; esac; done
__ce_c=$__ce_h; \command echo "$__ce_c" >|"$__ce_open"
}
__ce_in_closing() {
__ce_z=$?; __ce_z=${2-$__ce_z}; __ce_i=$1
while \command [ "$__ce_i" -gt 0 ]; do __ce_pop "$__ce_z"; __ce_i=$((__ce_i-1)); done
\command echo "$__ce_c" >|"$__ce_open"
}
__ce_ended() {
__ce_g=1; __ce_q=; IFS= \command read -r __ce_q <@F@.failed || :
if \command [ -z "$__ce_q" ]; then
while \command [ -n "$__ce_c" ]; do case $__ce_c in "| "*) __ce_c=${__ce_c#"| "};; *) __ce_judge "$__ce_j";; esac; done
IFS= \command read -r __ce_q <@F@.failed || :; fi
__ce_failed=$__ce_q; IFS= \command read -r __ce_hits <@F@.hits; IFS= \command read -r __ce_applied <@F@.done
if \command [ -n "$__ce_q" ]; then __ce_j=${__ce_q%%" "*}; fi
\command -p rm -f @F@.hits @F@.done @F@.failed @F@.open*
}
__ce_in_at() { __ce_m=$1; }
__ce_reached() { case ${__ce_m+m} in m) ;; *) case $__ce_c in "| "*|"") ;; *) __ce_judge "$2";; esac; __ce_m=0;; esac; \set -- "$1" "$__ce_m"; \unset __ce_m; __ce_count "$@"; }
__ce_in_next_stage() { __ce_reached s "$?"; }
__ce_in_everytime() { __ce_reached e "$?"; }"#;
