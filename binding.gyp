# Only hands over to CMake: CMakeLists.txt is the description of the build.
{
  "targets": [
    {
      "target_name": "dinomaly",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["always"],
          "action": ["node", "scripts/node-gyp.mjs"]
        }
      ]
    }
  ]
}
