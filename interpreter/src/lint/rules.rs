//! The rules, a file each.

pub(super) mod bashism;
pub(super) mod invisible_character;
pub(super) mod marker_as_condition;
pub(super) mod marker_in_loop;
pub(super) mod marker_in_subshell;
pub(super) mod marker_redefined;
pub(super) mod marker_with_arguments;
pub(super) mod marker_without_and;
pub(super) mod misspelt_marker;
pub(super) mod mixed_markers;
pub(super) mod or_after_everytime;
pub(super) mod or_after_next_stage;
pub(super) mod stage_count_varies;
pub(super) mod syntax_error;
pub(super) mod undecorated_command;
