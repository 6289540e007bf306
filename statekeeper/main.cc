// dormouse-statekeeper: the statekeeper with the classes of the product.

#include "statekeeper/statekeeper_main.h"

int main(int argc, char** argv) { return dormouse::StatekeeperMain(argc, argv); }
