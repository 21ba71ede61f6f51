// Prints the contracts of a file beside it, compiled, as its .json has them: Stablecoins.sol, or the one that is named.
// Needs npm's solc.
const fs = require("fs");
const path = require("path");
const solc = require("solc");

const file = process.argv[2] || "Stablecoins.sol";
const source = fs.readFileSync(path.join(__dirname, file), "utf8");
const output = JSON.parse(
  solc.compile(
    JSON.stringify({
      language: "Solidity",
      sources: { [file]: { content: source } },
      settings: {
        evmVersion: "paris", // without PUSH0, which young virtual machines alone have
        optimizer: { enabled: true, runs: 200 },
        metadata: { bytecodeHash: "none", appendCBOR: false },
        outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
      },
    })
  )
);
const errors = (output.errors || []).filter((error) => error.severity === "error");
if (errors.length > 0) {
  console.error(errors.map((error) => error.formattedMessage).join("\n"));
  process.exit(1);
}
const compiled = {};
for (const [name, contract] of Object.entries(output.contracts[file])) {
  if (contract.evm.bytecode.object) {
    compiled[name] = { abi: contract.abi, bytecode: contract.evm.bytecode.object };
  }
}
process.stdout.write(JSON.stringify({ compiler: solc.version(), contracts: compiled }, null, 1) + "\n");
