//! The function's executable.

fn main() -> std::process::ExitCode {
    session_api::main::<update_group_members::UpdateGroupMembers>()
}
