#!/usr/bin/env node
// Stands in for node-gyp where prebuildify (PREBUILD_NODE_GYP) or binding.gyp want a build: CMakeLists.txt describes it.
import { compileAddon } from './compile.mjs';
import { script } from './setup.mjs';

await script(compileAddon);
