//! What ends a command when ce-run does not live to see its end, and passes signals on to it: a shell beside it that reads
//! lines for as long as ce-run lives.

use std::{sync::mpsc, thread};

use crate::engine::{Engine, Exec, Orders};

/// Passes each line on its standard input, the name of a signal, on to the process group `$__ce_g`; KILL and STOP to all but
/// itself. When the input ends, what is left of a command that still runs is ended, with five seconds to do so by itself; and
/// the directory `$__ce_t` is removed, if that is not empty.
///
/// It may be in the group itself: so it ignores what it passes on. It sees the others in `/proc/PID/stat` (proc(5)): behind
/// the program's name, state, parent and group; the dead are not waited for. The time is that of the
/// machine, in whole seconds: many of these at once take longer than their sleep.
pub(super) const WATCH: &str = r#"trap '' HUP INT QUIT USR1 USR2 PIPE ALRM TERM TSTP TTIN TTOU WINCH
IFS=' ' read -r __ce_s __ce_x </proc/self/stat
__ce_others() {
    __ce_r=1
    for __ce_p in /proc/[0-9]*; do
        IFS= read -r __ce_x <"$__ce_p/stat" || continue
        __ce_p=${__ce_p#/proc/} __ce_x=${__ce_x##*) }
        case $__ce_x in [ZX]*) continue;; esac
        __ce_x=${__ce_x#* }; __ce_x=${__ce_x#* }
        case "${__ce_x%% *} $__ce_p" in
        "$__ce_g $__ce_s") ;;
        "$__ce_g "*) kill "-$1" "$__ce_p" && __ce_r=0;;
        esac
    done
    return $__ce_r
}
__ce_now() { read -r __ce_x __ce_p </proc/uptime; __ce_x=${__ce_x%.*}; }
__ce_until() {
    __ce_now; __ce_i=$((__ce_x + 5))
    while __ce_others "$1" && __ce_now && [ "$__ce_x" -le "$__ce_i" ]; do sleep 0.1 || sleep 1; done
}
while IFS= read -r __ce_k; do
    case $__ce_k in
    KILL | STOP) __ce_others "$__ce_k";;
    *) kill "-$__ce_k" "-$__ce_g";;
    esac
done
if kill -0 "$__ce_g"; then
    kill -TERM "-$__ce_g"; kill -CONT "-$__ce_g"
    __ce_until 0; __ce_until KILL
fi
case $__ce_t in ?*) rm -rf "$__ce_t";; esac"#;

/// For `sh -c WATCHER`: reads first which group it watches, and the directory.
const WATCHER: &str = r#"exec >/dev/null 2>&1
IFS= read -r __ce_g || exit
IFS= read -r __ce_t || exit
"#;

/// A watchdog in an exec of its own, for a command that reads what ce-run reads.
pub(super) struct Watchdog {
    lines: mpsc::Sender<Vec<u8>>,
    /// Told of each line that is sent.
    sent: mpsc::Receiver<()>,
}

impl Watchdog {
    /// Runs something with a watchdog beside it, which is started at once, so that it is there when the command is. The
    /// watchdog ends with what is run, and is not waited for.
    pub(super) fn beside<T>(engine: &dyn Engine, container: &str, exec: &Exec, run: impl FnOnce(&Watchdog) -> T) -> T {
        let (lines, received) = mpsc::channel::<Vec<u8>>();
        let (tell, sent) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                // Without one, the command runs all the same.
                if let Ok(mut talk) = engine.converse(container, exec) {
                    for line in received {
                        let _ = talk.send(&line).is_ok_and(|()| tell.send(()).is_ok());
                    }
                }
            });
            run(&Watchdog { lines, sent })
        })
    }

    /// Tells it what to watch, and waits until that is on its way: from then on it comes there, whatever becomes of us.
    pub(super) fn guard(&self, process: u32, scratch: &str) {
        // Where it could not be started, there is nobody to tell.
        let _ = self.lines.send(format!("{process}\n{scratch}\n").into_bytes());
        let _ = self.sent.recv();
    }

    /// Passes signals on through it.
    pub(super) fn orders(&self) -> Orders {
        let lines = self.lines.clone();
        Orders::new(move |line| drop(lines.send(line.to_vec())))
    }
}

/// What runs such a watchdog, as the same user as the command.
pub(super) fn exec(shell: &str, user: Option<&str>) -> Exec {
    Exec { user: user.map(str::to_owned), ..Exec::new([shell, "-c", &format!("{WATCHER}{WATCH}")]) }
}
