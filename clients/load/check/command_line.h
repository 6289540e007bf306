// The checked traffic that drills put on a cluster, from its command line to its exit status.
#pragma once

namespace dormouse::load::check {

int CheckMain(int argc, char** argv);

}  // namespace dormouse::load::check
